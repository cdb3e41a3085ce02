"""The same analyzer behind HTTP: pages, REST and live mode (`facecli serve`)."""
