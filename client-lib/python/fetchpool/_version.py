"""The version, which is that of the daemon and of libfetchpool: a test compares them."""

VERSION = "0.1.0"
