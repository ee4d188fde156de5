"""Which store assets lie in: a local folder, or a bucket that `BICKFORD_ASSETS_URL` names."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from bickford_sora.assets.local import LocalAssetStore
from bickford_sora.assets.port import AssetStore
from bickford_sora.buckets import require_bucket
from bickford_sora.settings import Settings
from ledger.clock import Clock


def open_assets(settings: Settings, *, clock: Clock) -> AssetStore:
    """The store that the settings name. A bucket is not called yet.

    Raises:
        AssetStoreUnavailable: the folder cannot be made or opened; a bucket's credentials cannot be read.
        BucketUnusable: the extra for buckets is not installed.
    """
    url = settings.assets_url
    if url is None:
        return LocalAssetStore(settings.data_dir / "assets", clock=clock)
    if url.startswith("file://"):
        return LocalAssetStore(Path(unquote(urlsplit(url).path)), clock=clock)
    require_bucket(url)
    from bickford_sora.assets.bucket import BucketAssetStore  # noqa: PLC0415 - it imports what the extra installs

    return BucketAssetStore.at(url, spool=settings.data_dir / "spool")
