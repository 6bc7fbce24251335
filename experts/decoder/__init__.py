"""The anomaly decoder: from patch features to a map, a score, a p-value and regions."""
