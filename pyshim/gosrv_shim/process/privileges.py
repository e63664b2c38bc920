"""A worker becomes the user and group of the settings, for good."""

import _gosrv
import os


def user_id(name):
    """A user name or number as a number; None means the effective one."""
    if name is None or isinstance(name, int):
        return os.geteuid() if name is None else name
    if str(name).isdigit():
        return int(name)
    import pwd

    return pwd.getpwnam(name).pw_uid


def group_id(name):
    """A group name or number as a number; None means the effective one."""
    if name is None or isinstance(name, int):
        return os.getegid() if name is None else name
    if str(name).isdigit():
        return int(name)
    import grp

    return grp.getgrnam(name).gr_gid


def drop(cfg):
    """Groups, group, user, in this order: after setuid nothing else could be changed. Raises if
    it is not allowed, and if there is a way back."""
    uid, gid = user_id(cfg.user), group_id(cfg.group)
    before = os.geteuid()
    if (uid, gid) == (before, os.getegid()):
        return
    if before != 0:
        raise PermissionError("cannot run as user %s and group %s: gosrv was started by user %s, and only root may"
                              " become somebody else; start it as root, or leave out --user and --group"
                              % (uid, gid, before))
    groups = groups_of(uid, gid) if cfg.initgroups else [gid]
    os.setgroups(groups)
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    if os.getresuid() != (uid,) * 3 or os.getresgid() != (gid,) * 3 or set(os.getgroups()) != set(groups):
        raise PermissionError("could not become user %s and group %s: now user %s, group %s, groups %s"
                              % (uid, gid, os.getresuid(), os.getresgid(), os.getgroups()))
    if uid == 0:
        return
    stay_there(uid)
    if not cfg.resolved.get("allow_new_privileges"):
        _gosrv.no_new_privileges()


def groups_of(uid, gid):
    """All groups that the user is in, for initgroups."""
    import pwd

    return os.getgrouplist(pwd.getpwuid(uid).pw_name, gid)


def stay_there(uid):
    """Tries the way back. It is open where capabilities outlive setuid (securebits, keep_caps)."""
    for what, attempt in (("user", os.setuid), ("group", os.setgid)):
        if what == "group" and os.getgid() == 0:
            continue  # group 0 was asked for
        try:
            attempt(0)
        except PermissionError:
            continue
        raise PermissionError("user %s could become %s 0 again: this process keeps capabilities over a change of"
                              " user; look for securebits or ambient capabilities in what starts gosrv" % (uid, what))
