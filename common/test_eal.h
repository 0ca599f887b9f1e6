/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For unit tests that need mbufs: EAL without huge pages, devices or files, and a handshake with
 * two slots. Include after cmocka.h.
 */
#ifndef COMMON_TEST_EAL_H
#define COMMON_TEST_EAL_H

#include <stdio.h>
#include <string.h>

#include <rte_eal.h>

#include "common/conf.h"
#include "common/handshake.h"

enum { TEST_SLOTS = 2, TEST_MBUFS = 8192 };

/* 'vdev1' and 'vdev2' are further arguments, NULL for none. 0, or what went wrong. */
static inline int
test_eal_start(const char *vdev1, const char *vdev2, struct handshake **hs)
{
	/* EAL wants to write to its arguments. */
	static char text[][32] = {
	    "test",           "--no-huge",      "--no-shconf",  "--no-pci",          "-m", "256",
	    "--iova-mode=va", "--no-telemetry", "--lcores=0@0", "--log-level=error", "",   ""};
	enum { TEXTS = sizeof(text) / sizeof(text[0]) };
	const char *vdevs[] = {vdev1, vdev2};
	static struct conf conf;
	char *argv[TEXTS];
	int argc = 0, rc;
	struct fault f = {0};

	for (; argc < TEXTS - 2; argc++)
		argv[argc] = text[argc];
	for (int i = 0; i < 2 && vdevs[i] != NULL; i++, argc++)
		argv[argc] = strncpy(text[argc], vdevs[i], sizeof(text[argc]) - 1);
	rc = rte_eal_init(argc, argv);
	if (rc < 0)
		return rc;
	conf_defaults(&conf);
	conf.mbufs = TEST_MBUFS;
	conf.vifs = 16;
	conf.n_slots = TEST_SLOTS;
	conf.ring_size = 256;
	rc = handshake_create(&conf, 1, hs, &f);
	if (rc < 0)
		fprintf(stderr, "%s\n", f.text);
	return rc;
}

#endif
