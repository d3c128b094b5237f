# SPDX-License-Identifier: GPL-2.0-only
"""Jobs on other hosts, by Dask's ``distributed``: its scheduler says where, the lab what.

Whoever imports a module here that imports ``distributed`` does so late: it takes a second.
"""
