"""Pure statistics: moments that add, comparisons as functions of moments, corrections, power."""
