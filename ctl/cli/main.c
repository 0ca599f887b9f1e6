/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vrctl: what a person types. Knows objects by their descriptors alone (message.h), and has
 * commands made by hand where people look often (status.c). No DPDK, one thread.
 */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/version.h"
#include "ctl/cli/completion.h"
#include "ctl/cli/help.h"
#include "ctl/cli/text_table.h"
#include "ctl/cli/vrctl.h"
#include "ctl/cli/watch.h"
#include "ctl/cli/words.h"

enum { TIMEOUT_MS = 10000, PATH_LEN = 512 };

/* The value of "name = value" in a line of a configuration file, NULL if it is another's. */
static char *
option_value(char *line, const char *name)
{
	size_t n = strlen(name);
	char *end;

	line += strspn(line, " \t");
	if (strncmp(line, name, n) != 0)
		return NULL;
	line += n + strspn(line + n, " \t");
	if (*line != '=')
		return NULL;
	line++;
	line += strspn(line, " \t\"");
	end = line + strcspn(line, "\"#\r\n");
	while (end > line && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	*end = '\0';
	return line;
}

/* What the router with this configuration would make its socket's path. */
static int
path_from_config(const char *file, char *path, size_t size)
{
	char line[1024], run_dir[PATH_LEN - 16] = "/run/vrouter", *value;
	FILE *in = fopen(file, "r");

	if (in == NULL)
		return -errno;
	*path = '\0';
	while (fgets(line, sizeof(line), in) != NULL) {
		value = option_value(line, "control-socket");
		if (value != NULL)
			snprintf(path, size, "%s", value);
		value = option_value(line, "run-dir");
		if (value != NULL)
			snprintf(run_dir, sizeof(run_dir), "%s", value);
	}
	fclose(in);
	if (*path == '\0')
		snprintf(path, size, "%s/control.sock", run_dir);
	return 0;
}

static enum exit_status
command_help(int argc, char **argv)
{
	const char *about = argc > 1 ? argv[1] : "";

	if (*about == '\0')
		help_overview(stdout);
	else if (strcmp(about, "api") == 0)
		help_reference(stdout);
	else if (strcmp(about, "man") == 0)
		help_manual(stdout);
	else if (help_command(stdout, about) < 0 &&
		 help_object(stdout, strcmp(about, "drops") == 0 ? "drop" : about) < 0) {
		fputs("vrctl: help: ", stderr);
		words_unknown_kind(stderr, about);
		fputs("; `vrctl help` lists commands, too\n", stderr);
		return EXIT_USAGE;
	}
	return EXIT_OK;
}

/* A command line that is not understood. */
__attribute__((format(printf, 1, 2))) static int
wrong(const char *fmt, ...)
{
	va_list ap;

	fputs("vrctl: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return EXIT_USAGE;
}

static int
count_parse(const char *text, uint64_t *count)
{
	char *end;

	errno = 0;
	*count = strtoull(text, &end, 10);
	return *text >= '0' && *text <= '9' && *end == '\0' && *count > 0 && errno == 0 ? 0
											: -EINVAL;
}

int
main(int argc, char **argv)
{
	enum {
		JSON = 256,
		WIDE,
		WATCH,
		COUNT,
		LAST,
		DRY_RUN,
		REPLACE,
		SOCKET,
		CONFIG,
		TIMEOUT,
		HELP,
		VERSION
	};
	static const struct option options[] = {
	    {"json", no_argument, NULL, JSON},
	    {"wide", no_argument, NULL, WIDE},
	    {"watch", optional_argument, NULL, WATCH},
	    {"count", required_argument, NULL, COUNT},
	    {"last", no_argument, NULL, LAST},
	    {"dry-run", no_argument, NULL, DRY_RUN},
	    {"replace", no_argument, NULL, REPLACE},
	    {"socket", required_argument, NULL, SOCKET},
	    {"config", required_argument, NULL, CONFIG},
	    {"timeout", required_argument, NULL, TIMEOUT},
	    {"help", no_argument, NULL, HELP},
	    {"version", no_argument, NULL, VERSION},
	    {NULL, 0, NULL, 0},
	};
	struct vrctl v = {.path = VROUTER_SOCKET_DEFAULT};
	const char *env = getenv("VRCTL_SOCKET"),
		   *socket = env != NULL && *env != '\0' ? env : NULL;
	const char *config = NULL;
	char configured[PATH_LEN];
	int opt, rc, timeout_ms = TIMEOUT_MS;
	enum exit_status status;

	while ((opt = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (opt) {
		case JSON:
			v.json = true;
			break;
		case WIDE:
			v.wide = true;
			break;
		case WATCH:
			if (watch_parse(optarg, &v.watch_ms) < 0)
				return wrong("--watch=%s: not a number of seconds, 0.1 to 3600",
					     optarg);
			break;
		case COUNT:
			if (count_parse(optarg, &v.count) < 0)
				return wrong("--count=%s: not a number above 0", optarg);
			break;
		case LAST:
			v.last = true;
			break;
		case DRY_RUN:
			v.dry_run = true;
			break;
		case REPLACE:
			v.replace = true;
			break;
		case SOCKET:
			socket = optarg;
			break;
		case CONFIG:
			config = optarg;
			break;
		case TIMEOUT:
			timeout_ms = atoi(optarg);
			break;
		case VERSION:
			printf("vrctl %s\n", version_build());
			return EXIT_OK;
		case 'h':
		case HELP:
			return (int)command_help(argc - optind + 1, argv + optind - 1);
		default:
			fputs("`vrctl help` shows how to use it\n", stderr);
			return EXIT_USAGE;
		}
	}
	argc -= optind;
	argv += optind;
	if (argc == 0) {
		help_overview(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[0], "help") == 0)
		return (int)command_help(argc, argv);
	if (strcmp(argv[0], "completion") == 0 && argc == 2 && strcmp(argv[1], "bash") == 0) {
		completion_script(stdout);
		return EXIT_OK;
	}
	if (strcmp(argv[0], "completion") == 0 && (argc != 4 || strcmp(argv[1], "of") != 0))
		return wrong("completion: there is one for bash: vrctl completion bash");
	if (v.watch_ms != 0 && !command_reads(argc, argv))
		return wrong("--watch goes with list, get, status, drops and mempool audit only");
	if (v.count != 0 && !command_is_events(argc, argv))
		return wrong("--count goes with events only");
	if (v.last && strcmp(argv[0], "drops") != 0)
		return wrong("--last goes with drops only");
	if ((v.dry_run || v.replace) && strcmp(argv[0], "apply") != 0)
		return wrong("--dry-run and --replace go with apply only");
	if (socket == NULL && config != NULL) {
		rc = path_from_config(config, configured, sizeof(configured));
		if (rc < 0) {
			fprintf(stderr, "vrctl: cannot read %s: %s\n", config, strerror(-rc));
			return EXIT_USAGE;
		}
		socket = configured;
	}
	if (socket != NULL)
		v.path = socket;
	v.width = v.wide ? 0 : text_table_terminal_width(stdout);
	v.now_ms = vrctl_now_ms();
	v.router = vrouter_open(v.path, timeout_ms);
	if (v.router == NULL)
		return (int)vrctl_no_memory();
	if (strcmp(argv[0], "completion") == 0) {
		completion_words(&v, argv[3], stdout);
		vrouter_close(v.router);
		return EXIT_OK;
	}
	status = v.watch_ms != 0 ? watch(&v, command_run, argc, argv) : command_run(&v, argc, argv);
	vrouter_close(v.router);
	return (int)status;
}
