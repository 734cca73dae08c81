"""What a trial is: values, without PyTorch."""
