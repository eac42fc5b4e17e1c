"""Facts: what is true of a host now. They run one command and parse it; they decide nothing."""
