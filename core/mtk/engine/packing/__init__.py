"""The packed form: the sequences of all tasks through the encoder at once, and still a gradient for each task.

The tokens of a task are a contiguous block of the packed sequence. Everything in an encoder but attention works on each
token by itself, so activations and their gradients are computed for all blocks together; only the last step to a weight's
gradient is taken block by block. It is the same arithmetic as a forward and a backward pass for each task, in T times fewer
and T times larger operations, and nothing is computed for a table's unused entries.

    layout      where each sequence lies in the packed one
    padding_free    … without padding: where the host knows all lengths, and where only the device does
    functions   what has weights: linear, layer normalisation, embedding; dW_t = dY_tᵀ·X_t
    routing     which module is computed by which function; attention within each sequence
    trial       which encoders that is right for: no list, `why_plain` tries it and compares
"""

from mtk.engine.packing.padding_free import choose_padding_free, room_for
from mtk.engine.packing.routing import Packing, forward_and_again, routed_parameters
from mtk.engine.packing.trial import why_plain

__all__ = ["Packing", "choose_padding_free", "forward_and_again", "room_for", "routed_parameters", "why_plain"]
