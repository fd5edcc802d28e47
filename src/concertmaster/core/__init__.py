"""Pure decisions: values in, values out. No clock, disk, network, environment or randomness."""
