"""Figures and times in the words of the status page. Instants in seconds UTC; a zone decides how they are shown."""
