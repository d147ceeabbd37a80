"""What MindTrack's services agree on: a library, imported and never run."""
