"""A fleet on one machine: nodes with addresses of their own and no disk in common, which are cut off and come back."""
