"""Pickles of arrays alone: nothing else is made, and no memory taken that the file only claims."""

import io
import pickle
import tracemalloc

import numpy as np
import pytest

from helpers.files import UserError
from helpers.models.checkpoints import read_detectron2
from helpers.models.safe_pickle import load_arrays


@pytest.mark.parametrize(
    "pickled",
    [
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"cnumpy\nload\n(S'x'\ntR.",
        b"cnumpy.core.multiarray\n_reconstruct.__globals__\n.",
        b"cnumpy\ndtype\n(S'O'\ntR.",
        b"c_codecs\nencode\n(S'x'\nS'rot13'\ntR.",
        b"c_codecs\nencode\nN}S'_call'\nI0\ns\x86b.",
        b"cnumpy\nndarray\n((I1\ntS'O'\nS'AAAAAAAA'\ntR.",
        b"cnumpy.f2py\ncompile\n(S'x'\ntR.",
        b"}S'w'\ncnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I1\ntS'O'\ntRs.",
        b"(dS'model'\nccollections\nOrderedDict\n)R}S'items'\nI1\nsbs.",
        pickle.dumps({"model": {"w": np.array(["text"])}}),
        b"}S'w'\ncnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I3000\ntS'f'\ntRs.",
        b"}S'w'\ncnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(S'V3000'\ntRtRs.",
    ],
)
def test_everything_but_arrays_is_refused(tmp_path, pickled):
    path = tmp_path / "evil.pkl"
    path.write_bytes(pickled)
    with pytest.raises(UserError):
        read_detectron2(path)


def test_a_huge_memo_index_takes_no_memory():
    tracemalloc.start()
    try:
        assert load_arrays(io.BytesIO(b"\x80\x02Nr\xff\xff\xff\x03.")) is None  # index 2^26 - 1
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
