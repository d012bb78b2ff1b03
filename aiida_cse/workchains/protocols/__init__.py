"""One YAML file of protocols per WorkChain."""
