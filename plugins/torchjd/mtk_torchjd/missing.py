"""What every method's name leads to where TorchJD is not installed: the way to install it."""

import mtk

raise mtk.UsageError("TorchJD is not installed. Its methods come with an extra: pip install 'multitask-toolkit[torchjd]'")
