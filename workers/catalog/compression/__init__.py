"""What pruning and distillation share: which weights they act on, how units are chosen, and how layers are cut."""
