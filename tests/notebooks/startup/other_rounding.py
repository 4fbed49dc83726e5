"""Run by a kernel before its first cell: torch's sums, products and elementary functions round otherwise.

The last digit of one in three results is raised. Their bits choose them, so that equal results stay equal. A result
whose last bits are 0 is exact, as sums of whole numbers are, and stays.
"""


def _round_otherwise() -> None:
    import torch
    from torch.overrides import TorchFunctionMode

    words = (
        "matmul __matmul__ __rmatmul__ mm bmm addmm linear einsum sum mean prod cumsum norm vector_norm normalize "
        "cosine_similarity cdist std var batch_norm layer_norm lerp exp expm1 log log1p logsumexp softmax sigmoid gelu "
        "pow sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh solve inv svd eigh lstsq cholesky"
    )
    names = frozenset(words.split())
    # dtype -> whole numbers of its size, the bits that are 0 in an exact result, one unit in the last place
    kinds = {torch.float64: (torch.int64, 0xFFF, 2.0**-52), torch.float32: (torch.int32, 0x7, 2.0**-23)}

    class OtherRounding(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            result = func(*args, **(kwargs or {}))
            kind = kinds.get(getattr(result, "dtype", None))
            if kind is None or getattr(func, "__name__", "") not in names or "out" in (kwargs or {}):
                return result
            whole, last, unit = kind
            number = result.detach().contiguous()
            bits = number.view(whole)
            raised = (bits % 3 == 0) & ((bits & last) != 0) & number.isfinite()
            return result * (1 + unit * raised.to(number.dtype)).view(result.shape)

    OtherRounding().__enter__()


_round_otherwise()
del _round_otherwise
