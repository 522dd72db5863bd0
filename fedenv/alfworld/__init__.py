"""FedALFWorld: household tasks in text, identical to ALFWorld's, with one house per client."""
