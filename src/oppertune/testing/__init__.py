"""What every algorithm must do, shipped so that algorithms written elsewhere can be held to it."""
