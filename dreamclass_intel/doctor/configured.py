"""Which documented variables of a source are set, and whether they make sense together. Asks nobody."""

from dreamclass_intel.doctor.checkup import Checkup
from dreamclass_intel.doctor.report import Aspect
from dreamclass_intel.settings import Mode, Settings, SettingsError, SourceSettings, variable


def mode_of(source: SourceSettings) -> str:
    """The mode in force; what was asked for where its variables are missing."""
    try:
        return source.mode.value
    except SettingsError:
        return source.mode_override


def configured(checkup: Checkup, source: SourceSettings) -> bool:
    """Write down what is set and what is missing; whether it is worth asking the vendor."""
    kind = type(source)
    needs = source.required()
    missing = [field for field in needs if not getattr(source, field)]
    given = [field for field in needs if field not in missing]
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
    try:
        settings.check()
    except SettingsError as error:
        # A source that is live without its variables tells so itself.
        if "MODE=live needs" not in str(error):
            checkup.problem(Aspect.CONFIGURED, "refused", str(error))
    checkup.ok(Aspect.CONFIGURED)


def _words(mode: Mode) -> str:
    return "off" if mode is Mode.OFF else "on the sandbox"
