/* SPDX-License-Identifier: MIT */
#include "tools/bench/report.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "tools/bench/row.h"

#define MIB (1024.0 * 1024.0)

static const char *transport(const struct options *options)
{
	return options->tcp ? "tcp" : "local";
}

/* The CPU's name as /proc/cpuinfo has it. */
static void cpu_name(char *name, size_t room)
{
	FILE *info CLEANUP_FCLOSE = fopen("/proc/cpuinfo", "re");
	char line[256];

	(void)snprintf(name, room, "unknown CPU");
	while (info && fgets(line, sizeof(line), info))
		if (!strncmp(line, "model name", 10)) {
			line[strcspn(line, "\n")] = '\0';
			(void)snprintf(name, room, "%s", strchr(line, ':') + 2);
			return;
		}
}

void report_machine(void)
{
	char cpu[128];
	struct utsname name;

	cpu_name(cpu, sizeof(cpu));
	(void)uname(&name);
	(void)printf("%ld CPUs (%s), Linux %s\n\n",
		     sysconf(_SC_NPROCESSORS_ONLN), cpu, name.release);
}

void report_head(const struct options *options)
{
	if (options->json)
		return;
	(void)printf("parent %s, transport %s", options->parent.name,
		     transport(options));
	if (options->delay_us)
		(void)printf(" with %u us each way", options->delay_us);
	(void)printf(", memory %s, %u runs%s%s\n", options->memory,
		     options->runs, options->mount ? ", -o " : "",
		     options->mount ? options->mount : "");
	report_machine();
}

static void print_columns(void)
{
	(void)printf("%-28s %26s  %26s  %6s\n", "", "mitosisfs, ms", "fork, ms",
		     "ratio");
	(void)printf("%-28s %8s %8s %8s  %8s %8s %8s  %6s\n", "", "min",
		     "median", "max", "min", "median", "max", "");
}

static void print_summary(const struct stats *stats)
{
	struct stats_summary s = stats_summarize(stats);

	if (stats->nr)
		(void)printf(" %8.3f %8.3f %8.3f ", s.min / 1e6, s.median / 1e6,
			     s.max / 1e6);
	else
		(void)printf(" %8s %8s %8s ", "-", "-", "-");
}

static void print_row(enum phase phase, const struct stats *ours,
		      const struct stats *fork)
{
	(void)printf("%-28s", phase_names[phase]);
	print_summary(ours);
	print_summary(fork);
	if (ours->nr && fork->nr)
		(void)printf(" %6.2f", (double)stats_summarize(ours).median /
					       stats_summarize(fork).median);
	(void)putchar('\n');
}

static void print_json(const struct options *options,
		       const struct phases *phases, enum phase phase)
{
	const struct stats *ours = &phases->ours[phase];
	const struct stats *fork = &phases->fork[phase];
	struct json json;

	if (ours->nr) {
		json = row_begin("fork", options, "mitosisfs");
		json_string(&json, "phase", phase_fields[phase]);
		row_times(&json, ours);
		row_ratio(&json, ours, fork, "fork");
		json_end(&json);
	}
	if (fork->nr) {
		json = row_begin("fork", options, "fork");
		json_string(&json, "phase", phase_fields[phase]);
		row_times(&json, fork);
		json_end(&json);
	}
}

void report_phases(const struct options *options, const struct phases *phases)
{
	if (!options->json)
		print_columns();
	for (int i = 0; i < PHASE_END; i++) {
		if (options->json) {
			print_json(options, phases, i);
		} else {
			print_row(i, &phases->ours[i], &phases->fork[i]);
		}
	}
}

static void pss_json(const struct options *options, const struct pss *pss,
		     int i)
{
	struct json json = row_begin("pss", options, "mitosisfs");

	json_u64(&json, "children", pss->children[i]);
	json_u64(&json, "image_bytes", pss->image_bytes);
	json_u64(&json, "pss_bytes", pss->ours_bytes[i]);
	json_u64(&json, "fork_pss_bytes", pss->fork_bytes[i]);
	json_end(&json);
}

void report_pss(const struct options *options, const struct pss *pss)
{
	if (!options->json)
		(void)printf(
			"\nPSS of all children, one image is %.1f MiB\n"
			"%8s  %14s  %12s  %10s\n",
			pss->image_bytes / MIB, "children", "mitosisfs, MiB",
			"of one image", "fork, MiB");
	for (int i = 0; i < PSS_COUNTS; i++) {
		if (options->json)
			pss_json(options, pss, i);
		else
			(void)printf("%8u  %14.1f  %12.2f  %10.1f\n",
				     pss->children[i], pss->ours_bytes[i] / MIB,
				     (double)pss->ours_bytes[i] /
					     pss->image_bytes,
				     pss->fork_bytes[i] / MIB);
	}
}
