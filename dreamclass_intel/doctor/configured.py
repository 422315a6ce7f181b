"""Which documented variables of a source are set, and whether they make sense together. Asks nobody."""

from dreamclass_intel.doctor.checkup import Checkup
from dreamclass_intel.doctor.report import Aspect
from dreamclass_intel.settings import SOURCES, Mode, Settings, SettingsError, SourceSettings, variable


def mode_of(source: SourceSettings) -> str:
    """The mode in force; what was asked for where its variables are missing."""
    try:
        return source.mode.value
    except SettingsError:
        return source.mode_override


def configured(checkup: Checkup, source: SourceSettings) -> bool:
    """Write down what is set and what is missing; whether it is worth asking the vendor."""
    kind = type(source)
    missing = [field for field in source.needs if not getattr(source, field)]
    given = [field for field in source.needs if field not in missing]
    checkup.variables_set = tuple(variable(kind, f) for f in kind.model_fields if f in source.model_fields_set)
    checkup.variables_missing = tuple(variable(kind, f) for f in missing)
    try:
        mode = source.mode
    except SettingsError as error:
        checkup.problem(Aspect.CONFIGURED, "incomplete", str(error))
        return False
    if mode is not Mode.LIVE and source.mode_override == "auto" and given:
        set_, unset = (", ".join(variable(kind, f) for f in fields) for fields in (given, missing))
        checkup.warn(Aspect.CONFIGURED, "half", f"{set_} is set, but {unset} is not: the source is {_words(mode)}")
    else:
        checkup.ok(Aspect.CONFIGURED)
    return mode is not Mode.OFF


def suite(checkup: Checkup, settings: Settings) -> None:
    """What concerns all sources together."""
    modes = {name: mode_of(settings.source(name)) for name in SOURCES}
    try:
        settings.check()
    except SettingsError as error:
        # A source that is live without its variables tells so itself.
        if "PII_KEY" in str(error):
            checkup.problem(Aspect.CONFIGURED, "no PII_KEY", str(error))
    live = [name for name, mode in modes.items() if mode == Mode.LIVE]
    played = [name for name, mode in modes.items() if mode == Mode.SANDBOX]
    if live and played:
        checkup.warn(
            Aspect.CONFIGURED,
            "mixed",
            f"live: {', '.join(live)}; on the sandbox: {', '.join(played)}. While any is on the sandbox, its simulated "
            "clock says which days are loaded (WITHOUT_CREDENTIALS=off leaves out what has no credentials)",
        )
    checkup.ok(Aspect.CONFIGURED)


def _words(mode: Mode) -> str:
    return "off" if mode is Mode.OFF else "on the sandbox"
