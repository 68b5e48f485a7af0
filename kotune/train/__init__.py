"""Training by Axolotl: its configuration, its process, our plugin in it, checkpoints and what to do
when memory runs out. What is patched of other projects stands in upstream."""
