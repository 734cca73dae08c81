"""What exhibits share: their values, their words, tables by method, epoch and layer, plots."""
