-- SPDX-License-Identifier: GPL-2.0-only
-- The first schema, as that lab made it, with two runs in it.
CREATE TABLE schema_version (
	version INTEGER NOT NULL,
	PRIMARY KEY (version)
);
CREATE TABLE runs (
	number INTEGER NOT NULL,
	id VARCHAR(64) NOT NULL,
	started VARCHAR NOT NULL,
	finished VARCHAR,
	command JSON NOT NULL,
	lab_version VARCHAR NOT NULL,
	host JSON NOT NULL,
	"plan" JSON NOT NULL,
	folder VARCHAR NOT NULL,
	PRIMARY KEY (number),
	UNIQUE (id)
);
CREATE TABLE jobs (
	number INTEGER NOT NULL,
	run_number INTEGER NOT NULL,
	variant VARCHAR NOT NULL,
	kernel_release VARCHAR NOT NULL,
	machine VARCHAR NOT NULL,
	config VARCHAR NOT NULL,
	started VARCHAR NOT NULL,
	duration_s DOUBLE NOT NULL,
	evidence JSON NOT NULL,
	error VARCHAR,
	PRIMARY KEY (number),
	FOREIGN KEY(run_number) REFERENCES runs (number)
);
CREATE TABLE results (
	number INTEGER NOT NULL,
	job_number INTEGER NOT NULL,
	variant VARCHAR NOT NULL,
	kernel_release VARCHAR NOT NULL,
	filesystem VARCHAR NOT NULL,
	suite VARCHAR NOT NULL,
	test VARCHAR NOT NULL,
	status VARCHAR(16) NOT NULL,
	expected VARCHAR(16) NOT NULL,
	duration_s DOUBLE NOT NULL,
	message VARCHAR NOT NULL,
	diagnostics JSON NOT NULL,
	metrics JSON NOT NULL,
	reason VARCHAR NOT NULL,
	PRIMARY KEY (number),
	FOREIGN KEY(job_number) REFERENCES jobs (number)
);
CREATE INDEX ix_jobs_run_number ON jobs (run_number);
CREATE INDEX ix_results_job_number ON results (job_number);
INSERT INTO schema_version VALUES (1);
INSERT INTO runs VALUES (1, 'run-1', '2026-01-01T12:00:00+00:00', '2026-11-25T07:03:31+00:00', '["lab", "test", "6.1"]', '0.1.0', '{"cpus": 2, "name": "host", "system": "Linux"}', '["6.1 on ext4-dax"]', 'results/20260101-120000-ab12');
INSERT INTO runs VALUES (2, 'run-2', '2026-01-01T12:00:00+00:00', '2026-11-25T07:03:31+00:00', '["lab", "test", "6.1"]', '0.1.0', '{"cpus": 2, "name": "host", "system": "Linux"}', '["6.1 on ext4-dax"]', 'results/20260101-120000-ab12');
INSERT INTO jobs VALUES (1, 1, '6.1', '6.1.192', 'default', 'default', '2026-01-01T12:00:01+00:00', 4.5, '{"accelerator": "tcg", "qemu_version": "7.2.17", "machine_description": "", "cmdline": "console=ttyS0", "dax": [["ext4-dax", [["mounts", "/dev/pmem0 /mnt ext4 rw,dax=always"], ["statx", "DAX"]]]], "build_key": "k", "tree_identity": "", "config_digest": "", "series_digests": [["dax-populate", "abababababababababababababababababababababababababababababababab"]], "compiler": "", "console_path": "", "ktap_path": "", "kernel_log_path": "", "timeline": [["boot", 0.25], ["ssh", 3.5]]}', NULL);
INSERT INTO jobs VALUES (2, 1, 'v4.2', '6.1.192', 'default', 'default', '2026-01-01T12:00:01+00:00', 4.5, '{"accelerator": "tcg", "qemu_version": "7.2.17", "machine_description": "", "cmdline": "console=ttyS0", "dax": [["ext4-dax", [["mounts", "/dev/pmem0 /mnt ext4 rw,dax=always"], ["statx", "DAX"]]]], "build_key": "k", "tree_identity": "", "config_digest": "", "series_digests": [["dax-populate", "abababababababababababababababababababababababababababababababab"]], "compiler": "", "console_path": "", "ktap_path": "", "kernel_log_path": "", "timeline": [["boot", 0.25], ["ssh", 3.5]]}', 'no space
left');
INSERT INTO jobs VALUES (3, 2, '6.1', '6.1.192', 'default', 'default', '2026-01-01T12:00:01+00:00', 4.5, '{"accelerator": "tcg", "qemu_version": "7.2.17", "machine_description": "", "cmdline": "console=ttyS0", "dax": [["ext4-dax", [["mounts", "/dev/pmem0 /mnt ext4 rw,dax=always"], ["statx", "DAX"]]]], "build_key": "k", "tree_identity": "", "config_digest": "", "series_digests": [["dax-populate", "abababababababababababababababababababababababababababababababab"]], "compiler": "", "console_path": "", "ktap_path": "", "kernel_log_path": "", "timeline": [["boot", 0.25], ["ssh", 3.5]]}', NULL);
INSERT INTO jobs VALUES (4, 2, 'v4.2', '6.1.192', 'default', 'default', '2026-01-01T12:00:01+00:00', 4.5, '{"accelerator": "tcg", "qemu_version": "7.2.17", "machine_description": "", "cmdline": "console=ttyS0", "dax": [["ext4-dax", [["mounts", "/dev/pmem0 /mnt ext4 rw,dax=always"], ["statx", "DAX"]]]], "build_key": "k", "tree_identity": "", "config_digest": "", "series_digests": [["dax-populate", "abababababababababababababababababababababababababababababababab"]], "compiler": "", "console_path": "", "ktap_path": "", "kernel_log_path": "", "timeline": [["boot", 0.25], ["ssh", 3.5]]}', 'no space
left');
INSERT INTO results VALUES (1, 1, '6.1', '6.1.192', 'ext4-dax', 'mlock', 'mlock.shared-rw.4k', 'pass', 'pass', 0.125, '', '["a", "b\ufffd\u0001"]', '[{"name": "first_access_ns_per_page", "labels": [["populate", "no"]], "value": 812.0}, {"name": "first_access_ns_per_page", "labels": [["populate", "yes"]], "value": 81.2}, {"name": "mmap_ns_per_page", "labels": [["populate", "yes"]], "value": 70000.0}]', '');
INSERT INTO results VALUES (2, 1, '6.1', '6.1.192', 'ext4-dax', 'mlock', 'x', 'fail', 'fail', 0.125, '1 of 1024', '[]', '[]', 'the bug');
INSERT INTO results VALUES (3, 1, '6.1', '6.1.192', 'ext4-dax', 'mlock', 'y', 'error', 'pass', 0.125, 'planned 40 tests, reported 12', '[]', '[]', '');
INSERT INTO results VALUES (4, 1, '6.1', '6.1.192', 'ext4-dax', 'mlock', 'z', 'skip', 'pass', 0.125, 'no mlock2', '[]', '[]', '');
INSERT INTO results VALUES (5, 1, '6.1', '6.1.192', 'ext4-dax', 'mlock', 'z', 'skip', 'skip', 0.125, '', '[]', '[]', 'no 2 MiB pages');
INSERT INTO results VALUES (6, 3, '6.1', '6.1.192', 'ext4-dax', 'mlock', 'mlock.shared-rw.4k', 'pass', 'pass', 0.125, '', '["a", "b\ufffd\u0001"]', '[{"name": "first_access_ns_per_page", "labels": [["populate", "no"]], "value": 812.0}, {"name": "first_access_ns_per_page", "labels": [["populate", "yes"]], "value": 81.2}, {"name": "mmap_ns_per_page", "labels": [["populate", "yes"]], "value": 70000.0}]', '');
INSERT INTO results VALUES (7, 3, '6.1', '6.1.192', 'ext4-dax', 'mlock', 'x', 'fail', 'fail', 0.125, '1 of 1024', '[]', '[]', 'the bug');
INSERT INTO results VALUES (8, 3, '6.1', '6.1.192', 'ext4-dax', 'mlock', 'y', 'error', 'pass', 0.125, 'planned 40 tests, reported 12', '[]', '[]', '');
INSERT INTO results VALUES (9, 3, '6.1', '6.1.192', 'ext4-dax', 'mlock', 'z', 'skip', 'pass', 0.125, 'no mlock2', '[]', '[]', '');
INSERT INTO results VALUES (10, 3, '6.1', '6.1.192', 'ext4-dax', 'mlock', 'z', 'skip', 'skip', 0.125, '', '[]', '[]', 'no 2 MiB pages');
