"""What the integration tests share: the daemon, a raw client, origins, the witness. See README.md."""
