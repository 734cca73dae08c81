"""Does a network notice inputs it has never seen? By confidence, by detectors, by protocol."""
