"""Side by side: this project's mill and its peers, asked for the same phrases by the same fake engine in one run."""
