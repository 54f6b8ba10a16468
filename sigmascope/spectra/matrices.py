"""The weight matrices of a model, by module path."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.utils import parametrize
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from sigmascope.errors import InvalidValueError

DEFAULT_KINDS = ("linear", "convolution", "attention")
# of the query, key and value projections where torch keeps them in three matrices
_SEPARATE = MappingProxyType(
    {"q_proj_weight": "q_proj", "k_proj_weight": "k_proj", "v_proj_weight": "v_proj"}
)


@dataclass(frozen=True, slots=True)
class WeightMatrix:
    """Where one weight matrix of a model is, and how it is read as a matrix.

    Attributes:
        name: module path, with what follows it where a module has several matrices.
        kind: ``linear``, ``convolution``, ``attention`` or ``embedding``.
        module: that holds the weight.
        attribute: name of the weight in ``module``.
        stored: shape of the stored weight, which may have more than two dimensions.
        rows: (first, one past the last) of the matrix that are meant; None for all.
    """

    name: str
    kind: str
    module: nn.Module
    attribute: str
    stored: torch.Size
    rows: tuple[int, int] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns), without reading the weight."""
        rows, columns = _unfolded(self.module, torch.empty(self.stored, device="meta")).shape
        return (rows if self.rows is None else self.rows[1] - self.rows[0]), columns

    def tensor(self) -> torch.Tensor:
        """The weight as it is now: (rows, columns), detached, a view wherever strides allow.

        Raises:
            InvalidValueError: the layer has lost its weight, or the weight has changed its shape.
        """
        return self.view(self.weight())

    def weight(self) -> torch.Tensor:
        """What is stored: the parameter that is trained, or what is computed from such parameters.

        Raises:
            InvalidValueError: as for :meth:`tensor`.
        """
        weight = _held(self.module, self.attribute)
        if weight is None:
            raise InvalidValueError(
                f"layer {self.name} has no {self.attribute} any more; collect the model's matrices anew"
            )
        if weight.shape != self.stored:
            raise InvalidValueError(
                f"layer {self.name} changed the shape of its {self.attribute} from {tuple(self.stored)} to "
                f"{tuple(weight.shape)}; collect the model's matrices anew"
            )
        return weight

    def view(self, stored: torch.Tensor) -> torch.Tensor:
        """(rows, columns), detached: what this matrix is of the weight's gradient, or of its change."""
        matrix = _unfolded(self.module, stored.detach())
        return matrix if self.rows is None else matrix[slice(*self.rows)]


def weight_matrices(
    model: nn.Module, *, kinds: Collection[str] = DEFAULT_KINDS
) -> Mapping[str, WeightMatrix]:
    """The weight matrices of ``model`` by name, in the order of its modules, each weight once.

    * ``linear``: weights of nn.Linear, (out_features, in_features), under the module's path. The layers of
      nn.Transformer hold theirs this way, and so does the output projection of attention.
    * ``convolution``: unfolded to (out_channels, in_channels * kernel), kernel the product of its sides; the
      spectrum is that of this matrix, not of the convolution as an operator on images. Groups divide
      in_channels (of a transposed convolution, out_channels).
    * ``attention``: of nn.MultiheadAttention, query, key and value projections stacked, (3 E, E), under
      ``PATH.in_proj``; or ``PATH.q_proj``, ``.k_proj`` and ``.v_proj`` where keys or values have other
      dimensions. :func:`split_qkv` takes the stacked one apart.
    * ``embedding``: of nn.Embedding and nn.EmbeddingBag, (entries, dimensions); only where asked for.

    Of a parametrized weight (``torch.nn.utils.parametrize``) with one parameter behind it, such as under
    spectral normalisation, that parameter is read, whose gradient there is. Of any other computed weight
    (weight normalisation, pruning, a low-rank adapter) it is what the next forward pass will use, computed as
    in evaluation, which changes nothing.

    A tied weight appears under the first of its names. One matrix in a model that is itself such a module is
    called by its kind.

    Raises:
        InvalidValueError: an unknown kind; no such matrix in the model; a lazy layer without a shape yet.
    """
    kinds = (kinds,) if isinstance(kinds, str) else kinds
    unknown = sorted(set(kinds) - {*DEFAULT_KINDS, "embedding"})
    if unknown:
        raise InvalidValueError(
            f"unknown kind of matrix {unknown[0]!r}; choose among {', '.join(DEFAULT_KINDS)}, embedding"
        )
    found: dict[str, WeightMatrix] = {}
    seen: dict[tuple[object, ...], torch.Tensor] = {}  # kept alive, or another could take its address
    for matrix in _every_matrix(model):
        weight = _held(matrix.module, matrix.attribute)
        if matrix.kind in kinds and weight is not None and identity(weight) not in seen:
            seen[identity(weight)] = weight
            found[matrix.name] = matrix
    if not found:
        raise InvalidValueError(
            f"{type(model).__name__} has no weight matrix of kind {', '.join(kinds)}; pass one that has"
        )
    return MappingProxyType(found)


def split_qkv(matrix: WeightMatrix) -> tuple[WeightMatrix, WeightMatrix, WeightMatrix]:
    """Query, key and value of a stacked projection: ``NAME.q``, ``.k``, ``.v``, a third of the rows each.

    Works for ``in_proj`` of nn.MultiheadAttention and for any linear layer that stacks the three alike.

    Raises:
        InvalidValueError: the rows cannot be divided by three, or were divided before.
    """
    rows = matrix.shape[0]
    if matrix.rows is not None:
        raise InvalidValueError(f"{matrix.name} is a part already; split the whole projection, once")
    if rows % 3:
        raise InvalidValueError(
            f"{matrix.name} has {rows} rows, which are not a query, a key and a value of equal size; "
            "split only stacked projections"
        )
    third = rows // 3
    q, k, v = (
        replace(matrix, name=f"{matrix.name}.{part}", rows=(i * third, (i + 1) * third))
        for i, part in enumerate("qkv")
    )
    return q, k, v


def identity(weight: torch.Tensor) -> tuple[object, ...]:
    """Equal for tensors that are the same entries in the same memory: tied weights."""
    address = weight.data_ptr()
    # no memory, no address: the tensor itself is then all there is to go by
    return address or id(weight), tuple(weight.shape), weight.stride(), weight.dtype, weight.device


def _every_matrix(model: nn.Module) -> Iterator[WeightMatrix]:
    for path, module in model.named_modules():
        if isinstance(module, nn.Linear):
            yield from _matrix(path or "linear", "linear", module, "weight")
        elif isinstance(module, _ConvNd):
            yield from _matrix(path or "convolution", "convolution", module, "weight")
        elif isinstance(module, nn.Embedding | nn.EmbeddingBag):
            yield from _matrix(path or "embedding", "embedding", module, "weight")
        elif isinstance(module, nn.MultiheadAttention):
            yield from _projections(path, module)


def _projections(path: str, module: nn.MultiheadAttention) -> Iterator[WeightMatrix]:
    before = f"{path}." if path else ""
    yield from _matrix(f"{before}in_proj", "attention", module, "in_proj_weight")
    for attribute, name in _SEPARATE.items():
        yield from _matrix(before + name, "attention", module, attribute)


def _matrix(name: str, kind: str, module: nn.Module, attribute: str) -> Iterator[WeightMatrix]:
    weight = _held(module, attribute)
    if isinstance(weight, nn.UninitializedParameter):
        raise InvalidValueError(f"layer {name} has no shape yet; send one batch through the model first")
    if weight is not None:
        yield WeightMatrix(name, kind, module, attribute, weight.shape)


def _held(module: nn.Module, attribute: str) -> torch.Tensor | None:
    """The weight without side effects, None where there is none."""
    # is_parametrized alone raises and catches an error inside where a module has none
    if "parametrizations" in module._modules and parametrize.is_parametrized(module, attribute):
        return _parametrized(module, attribute)
    # the older way: a hook computes the attribute before each forward pass, and it is stale after a step
    for hook in module._forward_pre_hooks.values():
        if isinstance(hook, WeightNorm) and hook.name == attribute:
            normalised: torch.Tensor = hook.compute_weight(module)
            return normalised
        if isinstance(hook, BasePruningMethod) and hook._tensor_name == attribute:
            pruned: torch.Tensor = hook.apply_mask(module)  # type: ignore[no-untyped-call]
            return pruned
        if isinstance(hook, SpectralNorm) and hook.name == attribute:
            attribute = f"{attribute}_orig"
    weight = getattr(module, attribute, None)
    return weight if isinstance(weight, torch.Tensor) else None


def _parametrized(module: nn.Module, attribute: str) -> torch.Tensor:
    """The one parameter behind the weight, or what is computed of several, as in evaluation."""
    behind: parametrize.ParametrizationList = getattr(module.parametrizations, attribute)
    original, parameters = getattr(behind, "original", None), list(behind.parameters())
    if isinstance(original, nn.Parameter) and len(parameters) == 1 and original.ndim > 1:
        return original
    modes = [(one, one.training) for one in behind.modules()]
    try:
        behind.eval()  # neither a normalisation advances, nor is chance asked
        computed: torch.Tensor = behind()  # past the cache of torch.nn.utils.parametrize
    finally:
        for one, training in modes:
            one.training = training
    return computed


def _unfolded(module: nn.Module, weight: torch.Tensor) -> torch.Tensor:
    """(rows, columns): channels going out against everything else."""
    # a transposed convolution is stored with the channels coming in first
    return (weight.transpose(0, 1) if isinstance(module, _ConvTransposeNd) else weight).flatten(1)
