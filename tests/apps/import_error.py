"""A module whose own import fails: the traceback must name the missing module, not this one."""
import a_module_that_is_not_there  # noqa: F401
