"""How much memory a specification needs, before any of it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from sigmascope.amounts import in_bytes
from sigmascope.errors import OutOfMemoryError
from sigmascope.schemas import GptSpec, MlpSpec, TrainSpec
from worker.building import Data, positions
from worker.datasets.images import Images
from worker.memory import Room

FLOAT = 4  # bytes: weights and what is recorded of them are float32 in either precision
GPT_RATIO = 4  # width of a block's hidden layer over its own, of a GPT

# (rows, columns) of a weight matrix
Shape = tuple[int, int]


@dataclass(frozen=True, slots=True)
class MemoryNeeds:
    """Bytes that training takes where it computes, about; rather too little than too much.

    Biases, temporary copies and what torch itself takes are left out.

    Attributes:
        weights: with gradients and, with momentum, its buffer.
        predictors: the copy of the recorded weights that ``subspace`` keeps, and all tracked vectors.
        batch: what a forward pass leaves for the backward pass, and what gradient noise is measured from.
        data: both splits of the data set.
    """

    weights: int
    predictors: int
    batch: int
    data: int

    @property
    def total(self) -> int:
        """All together."""
        return self.weights + self.predictors + self.batch + self.data

    def describe(self) -> str:
        """The parts as a person would list them."""
        weights, predictors = in_bytes(self.weights), in_bytes(self.predictors)
        return (
            f"{weights} for weights and their gradients, {predictors} for predictors, "
            f"{in_bytes(self.batch)} for a batch, {in_bytes(self.data)} for the data"
        )

    def remedy(self) -> str:
        """What to change, by the largest part."""
        if self.batch == max(self.weights, self.predictors, self.batch, self.data):
            return "Choose a smaller batch_size or model"
        return "Choose a smaller model"


def memory_needs(spec: TrainSpec, data: Data) -> MemoryNeeds:
    """What ``spec`` needs on ``data``."""
    matrices = weight_shapes(spec, data)
    held = sum(rows * columns for rows, columns in matrices) + unrecorded(spec, data)
    return MemoryNeeds(
        weights=FLOAT * held * (3 if spec.momentum else 2),
        predictors=FLOAT * sum(_tracked(spec, shape) for shape in matrices),
        batch=_of_batch(spec, data),
        data=_of_data(data),
    )


def require(needs: MemoryNeeds, room: Room) -> None:
    """Return where it is not plainly impossible.

    Raises:
        OutOfMemoryError: more is needed than there is in all: nothing that ends would make room.
    """
    if needs.total > room.total:
        raise OutOfMemoryError(
            f"this run needs about {in_bytes(needs.total)} on {room.name} ({needs.describe()}), which has "
            f"{room.describe()}. {needs.remedy()}"
        )


def weight_shapes(spec: TrainSpec, data: Data) -> list[Shape]:
    """Of all linear layers, in network order."""
    model = spec.model
    if isinstance(model, MlpSpec):
        sizes = [data.features if isinstance(data, Images) else 0, *[model.width] * model.depth, data.classes]
        return [(after, before) for before, after in pairwise(sizes)]
    width, wide = model.width, model.width * (GPT_RATIO if isinstance(model, GptSpec) else model.ffn_ratio)
    block = [(3 * width, width), (width, width), (wide, width), (width, wide)]
    patches = [] if isinstance(model, GptSpec) else [(width, _pixels(spec, data))]
    return [*patches, *block * model.layers, (data.classes, width)]


def unrecorded(spec: TrainSpec, data: Data) -> int:
    """Entries of embeddings and positions, which are trained and not recorded."""
    model = spec.model
    if isinstance(model, GptSpec):
        return (data.classes + model.context) * model.width
    return 0 if isinstance(model, MlpSpec) else (1 + positions(spec, data)) * model.width


def _pixels(spec: TrainSpec, data: Data) -> int:
    """Of a patch, over all channels."""
    patch = 0 if isinstance(spec.model, MlpSpec | GptSpec) else spec.model.patch
    return patch**2 * (data.image_shape[0] if isinstance(data, Images) else 1)


def _tracked(spec: TrainSpec, shape: Shape) -> int:
    """Numbers that the predictors of one layer keep."""
    vectors = sum(shape) * min(spec.top_k, *shape)
    copy = shape[0] * shape[1] if "subspace" in spec.predictors else 0
    return copy + vectors * len(set(spec.predictors) - {"hold"})


def _of_batch(spec: TrainSpec, data: Data) -> int:
    """Bytes: input and output of every layer, and the gradient of the output where noise is measured."""
    each = FLOAT // 2 if spec.precision == "bfloat16" else FLOAT
    count = spec.batch_size * positions(spec, data)
    outputs = sum(rows for rows, _ in weight_shapes(spec, data))
    inputs = sum(columns for _, columns in weight_shapes(spec, data))
    return each * count * (inputs + outputs * (2 if spec.noise_every else 1))


def _of_data(data: Data) -> int:
    held = (
        (data.train_x, data.train_y, data.test_x, data.test_y)
        if isinstance(data, Images)
        else (data.train, data.test)
    )
    return sum(tensor.nbytes for tensor in held)
