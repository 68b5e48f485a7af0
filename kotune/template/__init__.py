"""Examines a model's chat template with a few short chats before anything is trained. Each finding
names a known trap and its remedy."""
