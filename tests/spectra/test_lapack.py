"""Eigenvalues of A^T A by LAPACK: beside numpy's, in any layout, from several threads at once."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray
from threadpoolctl import threadpool_info

from sigmascope.spectra import lapack
from sigmascope.spectra.lapack import gram_eigenvalues

TOLERANCE = {np.float32: 1e-5, np.float64: 2e-14}  # 100 roundings of the largest


def gaussian(m: int, n: int, dtype: type = np.float64) -> NDArray[np.floating]:
    return np.random.default_rng(m + n).standard_normal((m, n)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layout", ["by rows", "by columns", "neither"])
@pytest.mark.parametrize("shape", [(700, 600), (64, 64), (5, 1)])
def test_equals_numpy(shape: tuple[int, int], layout: str, dtype: type) -> None:
    array = gaussian(*shape, dtype)
    given = {
        "by rows": array,
        "by columns": np.asfortranarray(array),
        "neither": np.repeat(array, 2, axis=1)[:, ::2],
    }[layout]
    before = given.copy()
    found = gram_eigenvalues(given)
    exact = np.linalg.eigvalsh(array.astype(np.float64).T @ array.astype(np.float64))
    assert found.dtype == dtype
    assert (np.diff(found) >= 0).all()
    np.testing.assert_allclose(found, exact, atol=TOLERANCE[dtype] * exact[-1], rtol=0)
    np.testing.assert_array_equal(given, before)


def test_side_by_side_and_the_threads_of_others_are_left_as_they_were() -> None:
    arrays = [gaussian(300 + k, 200) for k in range(8)]
    alone = [gram_eigenvalues(array) for array in arrays]
    threads = [pool["num_threads"] for pool in threadpool_info()]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(gram_eigenvalues, arrays))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)
    assert [pool["num_threads"] for pool in threadpool_info()] == threads


def test_rank_deficient_and_zero() -> None:
    low = gaussian(80, 3) @ gaussian(3, 60)
    assert (np.abs(gram_eigenvalues(low)[:57]) < 1e-10 * gram_eigenvalues(low)[-1]).all()
    assert (gram_eigenvalues(np.zeros((6, 5))) == 0).all()


def test_one_thread_holds_in_whatever_thread_of_python() -> None:
    def inside() -> set[int]:
        with lapack._one_thread:
            return {pool["num_threads"] for pool in threadpool_info() if pool["internal_api"] == "openblas"}

    assert inside() == {1}  # from here on, threadpoolctl alone would let no other thread change the number
    with ThreadPoolExecutor(2) as pool:
        assert [pool.submit(inside).result() for _ in range(2)] == [{1}, {1}]
