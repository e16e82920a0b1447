"""From what somebody asks for to stored runs: presets, sweeps, drafts, submission."""
