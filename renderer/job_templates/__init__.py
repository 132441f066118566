"""Job templates of IMS in kmodgate's own text, for sites that keep them in git; the texts lie beside the code."""
