"""One small driver a tool, each run by the tool's own environment. Only `task` is common to them."""
