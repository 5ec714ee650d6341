"""The forecast: time, tokens, GPU-hours, money, bytes and energy for a target. Pure; every constant has a source."""
