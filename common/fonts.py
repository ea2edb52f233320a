"""Finds a font with Chinese characters for matplotlib, whose own fonts have none."""

from matplotlib import font_manager

from common.cli import UserError

# Fonts with Simplified Chinese characters, the better ones first. In a .ttc file matplotlib sees only the first family.
FONTS = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN", "Noto Sans CJK JP", "PingFang SC",
    "Hiragino Sans GB", "Heiti SC", "Microsoft YaHei", "SimHei", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei",
    "Droid Sans Fallback", "Noto Serif CJK SC", "Noto Serif CJK JP", "Source Han Serif SC", "STHeiti", "SimSun",
    "AR PL UMing CN", "Arial Unicode MS",
)  # fmt: skip


def find_font() -> str:
    """Return the first of `FONTS` that is installed. Raises UserError if there is none."""
    installed = _families()
    if not installed.intersection(FONTS):  # matplotlib's list may be older than the font
        for file in set(font_manager.findSystemFonts()) - {font.fname for font in font_manager.fontManager.ttflist}:
            font_manager.fontManager.addfont(file)
        installed = _families()
    for family in FONTS:
        if family in installed:
            return family
    raise UserError("no font with Chinese characters is installed (Debian and Ubuntu: apt install fonts-noto-cjk)")


def _families() -> set[str]:
    return {font.name for font in font_manager.fontManager.ttflist}
