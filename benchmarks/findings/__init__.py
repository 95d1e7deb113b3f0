"""The paper's four findings as an experiment without a key or a GPU: `make findings`."""
