"""Where Echo keeps things, and which language model it asks.

``settings.yaml`` in Echo's home:

    mllm: Qwen/Qwen2.5-VL-7B-Instruct    # see experts/mllm/setting.py
    lines:
      washer: {mllm: none}               # otherwise on one line

What the environment variable says goes before the file, and what a call says before both.
"""

from __future__ import annotations

import os
import reprlib
from pathlib import Path

from pydantic import Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from experts.errors import MLLMSettingError
from experts.mllm.setting import MLLMSetting, default_of

HOME_VARIABLE = "ECHO_IAD_HOME"
MLLM_VARIABLE = "ECHO_IAD_MLLM"
FILE = "settings.yaml"
MAX_FILE_BYTES = 100_000


class Settings(MLLMSetting):
    """What ``settings.yaml`` says.

    Attributes:
        lines: What is otherwise on a line, by its name.
    """

    lines: dict[str, MLLMSetting] = Field(default={})


def home_folder(home: str | os.PathLike[str] | None = None) -> Path:
    """Echo's home: ``home``, else ``$ECHO_IAD_HOME``, else ``~/.echo-iad``."""
    return Path(home or os.environ.get(HOME_VARIABLE) or Path.home() / ".echo-iad").expanduser()


def lines_folder(home: str | os.PathLike[str] | None = None) -> Path:
    """Folder of the product lines in Echo's home."""
    return home_folder(home) / "lines"


def mllm_setting(
    home: Path, line: str | None = None, mllm: str | os.PathLike[str] | None = None
) -> MLLMSetting:
    """Which language model is wanted.

    Args:
        home: Echo's home.
        line: Name of the line that asks.
        mllm: What a call says.

    Raises:
        MLLMSettingError: If ``settings.yaml`` is at fault.
    """
    settings = read_settings(home / FILE)
    said = settings.model_dump(exclude={"lines"}, exclude_unset=True)
    if line in settings.lines:
        said |= settings.lines[line].model_dump(exclude_unset=True)
    called = os.fspath(mllm or "").strip()
    if chosen := called or os.environ.get(MLLM_VARIABLE, "").strip():
        said["mllm"] = chosen
    if "mllm" not in said:
        said["mllm"] = default_of(home)
    return MLLMSetting.model_validate(said)


def read_settings(path: Path) -> Settings:
    """Read a settings file; one that is missing says nothing.

    Raises:
        MLLMSettingError: If it cannot be read, or holds what is no setting.
    """
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_FILE_BYTES + 1)
        if len(raw) > MAX_FILE_BYTES:
            raise MLLMSettingError(
                f"{path}: is too large for settings; see README.md, A language model"
            )
        said = YAML(typ="safe").load(raw.decode("utf-8"))
        return Settings.model_validate({} if said is None else said)
    except (FileNotFoundError, NotADirectoryError):
        return Settings()
    except OSError as error:
        why = error.strerror or str(error)
        raise MLLMSettingError(f"{path}: cannot be read ({why}); check its rights") from error
    except UnicodeDecodeError as error:
        raise MLLMSettingError(f"{path}: is not UTF-8 text; save it as UTF-8") from error
    except (YAMLError, RecursionError) as error:
        mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
        where = f":{mark.line + 1}" if mark else ""
        raise MLLMSettingError(
            f"{path}{where}: not valid YAML; look at this line and the one above it"
        ) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise MLLMSettingError(
            f"{path}: {place}: {first['msg']}, got {reprlib.repr(first['input'])}; the fields are "
            f"{', '.join(Settings.model_fields)}"
        ) from error
