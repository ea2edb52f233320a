"""Two baselines that score masked tokens as a masked-language model does, from counts of tokens and of pairs."""

from collections.abc import Iterable

import numpy as np
from scipy import sparse

from common.tokenizer import Tokenizer

DISCOUNT = 0.75  # is taken from the count of every pair that occurs, and goes to all tokens by their frequency


class Counts:
    """The frequencies of tokens in texts, and of pairs of neighbours, with [CLS] and [SEP] around each text.

    Attributes:
        frequency: p(token) with add-one smoothing, float64 [entries].
        pairs: p(right token | left token) after the discount, sparse float64 [entries, entries].
        left_over: the probability that the discount takes from the pairs of each left token, float64 [entries].
    """

    def __init__(self, texts: Iterable[str], tokenizer: Tokenizer):
        size = tokenizer.vocab_size
        codes = []
        for encoding in tokenizer.encode(texts):
            ids = np.concatenate([[tokenizer.cls_id], encoding.ids, [tokenizer.sep_id]], dtype=np.int64)
            codes.append(ids[:-1] * size + ids[1:])
        pairs, counts = np.unique(np.concatenate(codes), return_counts=True)
        shape = (size, size)
        table = sparse.csr_matrix((counts.astype(np.float64), (pairs // size, pairs % size)), shape)
        self.mask_id = tokenizer.mask_id
        frequency = np.asarray(table.sum(0))[0] + 1
        self.frequency = frequency / frequency.sum()
        # After a token that was never seen, all of the probability is left over.
        seen = np.maximum(np.asarray(table.sum(1))[:, 0], DISCOUNT)
        different = np.maximum(table.getnnz(1), 1)
        self.left_over = DISCOUNT * different / seen
        table.data -= DISCOUNT
        self.pairs = sparse.diags(1 / seen) @ table
        self.pairs_by_right = self.pairs.tocsc()

    def unigram(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """Return log p(token), float64 [batch, p, entries], for the inputs of `model.build_model`."""
        shape = (*inputs["positions"].shape, len(self.frequency))
        return np.broadcast_to(np.log(self.frequency), shape)

    def bigram(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """Return the log of p(token | left neighbour) p(right neighbour | token), float64 [batch, p, entries].

        The probabilities are smoothed by absolute discounting. A masked neighbour has no influence.
        """
        rows = np.arange(len(inputs["token_ids"]))[:, None]
        left = inputs["token_ids"][rows, inputs["positions"] - 1].ravel()
        right = inputs["token_ids"][rows, inputs["positions"] + 1].ravel()
        after = self.pairs[left].toarray() + self.left_over[left, None] * self.frequency
        before = self.pairs_by_right[:, right].toarray().T + self.left_over * self.frequency[right, None]
        before[right == self.mask_id] = 1
        return np.log(after * before).reshape(*inputs["positions"].shape, -1)
