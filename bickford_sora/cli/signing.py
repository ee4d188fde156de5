"""A checkpoint for what a command is about to hand out."""

from bickford_sora.cli.output import note
from bickford_sora.composition.books import Books
from ledger.errors import Unavailable
from ledger.proof.errors import Diverged, NotCovered


def taken_checkpoint(opened: Books) -> int:
    """Takes a checkpoint of every fact there is. Returns its size; 0 where none can be taken, which is said."""
    proving = opened.proving
    try:
        if opened.ledger.head():
            # A ledger's first key is published before the checkpoint, so that the checkpoint covers that fact, too.
            proving.signing.signer(proving.tree.ledger_id())
        return proving.sequencer.take().size
    except (NotCovered, Diverged, Unavailable) as error:
        note(f"no new checkpoint: {error}")
        return 0
