"""The encoder and the heads as onnxruntime runs them."""

from pathlib import Path

import onnxruntime


class Engine:
    """`encoder` is encoder.onnx, or encoder-int8.onnx where that was exported too; `threads` those of one operation, 0 for
    as many as there are cores; `device` is "cpu", and no other is known."""

    def __init__(self, directory, card, encoder="encoder.onnx", threads=0, device="cpu"):
        if device != "cpu":
            raise ValueError(f"device={device!r}: this loader computes on a CPU")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads

        def session(name):
            return onnxruntime.InferenceSession(Path(directory) / name, options, providers=["CPUExecutionProvider"])

        self.encoder = session(encoder)
        self.heads = {task: session(known["file"]) for task, known in card["tasks"].items()}
        self.names = {value.name for value in self.encoder.get_inputs()}

    def states(self, inputs):
        """What the encoder says of each token [sequences, length, width]; of all layers, stacked, where a pooling reads
        them."""
        return self.encoder.run(None, {name: value for name, value in inputs.items() if name in self.names})[0]

    def head(self, task, given):
        """What the task's head makes of them, and of their masks."""
        session = self.heads[task]
        return session.run(None, {known.name: value for known, value in zip(session.get_inputs(), given, strict=True)})
