"""Treatment: cytokine courses, further cycles, visits in their windows."""
