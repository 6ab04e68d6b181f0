"""Servers for this machine alone: JupyterLab on the tutorials, the playground as a page."""

# An option of `ServerApp` (JupyterLab) and of `Voila`: see `websocket.py`.
PROMPT = "kernel_websocket_connection_class=dmlviz.serve.websocket.PromptConnection"
