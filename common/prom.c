/* SPDX-License-Identifier: MIT */
/* prom.c - see prom.h */
#include "common/prom.h"

#include <inttypes.h>
#include <stddef.h>

#define NS_PER_S      1000000000ul
#define SECONDS_BYTES 32

struct prom prom_to(FILE *file, enum prom_form form)
{
	struct prom prom = {.file = file, .form = form, .json = json_to(file)};

	if (form == PROM_JSON) {
		json_object(&prom.json, NULL);
		json_u64(&prom.json, "format", PROM_JSON_FORMAT);
		json_array(&prom.json, "metrics");
	}
	return prom;
}

static const char *type_name(enum prom_type type)
{
	static const char *const names[] = {
		[PROM_COUNTER] = "counter",
		[PROM_GAUGE] = "gauge",
		[PROM_HISTOGRAM] = "histogram",
	};

	return names[type];
}

static void end_family(struct prom *prom)
{
	if (prom->name && prom->form == PROM_JSON) {
		json_end(&prom->json);
		json_end(&prom->json);
	}
	prom->name = NULL;
}

void prom_family(struct prom *prom, const char *name, enum prom_type type,
		 const char *help)
{
	end_family(prom);
	prom->name = name;
	if (prom->form == PROM_TEXT) {
		(void)fprintf(prom->file, "# HELP %s %s\n# TYPE %s %s\n", name,
			      help, name, type_name(type));
		return;
	}
	json_object(&prom->json, NULL);
	json_string(&prom->json, "name", name);
	json_string(&prom->json, "type", type_name(type));
	json_string(&prom->json, "help", help);
	json_array(&prom->json, "samples");
}

/* ---- text ---- */

/* A label's value is UTF-8, and three characters are escaped. */
static void put_escaped(FILE *file, const char *text)
{
	for (; *text; text++) {
		unsigned char byte = (unsigned char)*text;

		if (byte == '\n')
			(void)fputs("\\n", file);
		else if (byte == '"' || byte == '\\')
			(void)fprintf(file, "\\%c", byte);
		else if (byte < ' ' || byte >= 0x7f)
			(void)fputc('?', file);
		else
			(void)fputc(byte, file);
	}
}

/* The name with @suffix, and the labels, the last of which may be "le". */
static void put_name(struct prom *prom, const char *suffix,
		     const struct prom_label *labels, const char *le)
{
	char before = '{';

	(void)fprintf(prom->file, "%s%s", prom->name, suffix);
	for (; labels && labels->key; labels++) {
		(void)fprintf(prom->file, "%c%s=\"", before, labels->key);
		put_escaped(prom->file, labels->value);
		(void)fputc('"', prom->file);
		before = ',';
	}
	if (le) {
		(void)fprintf(prom->file, "%cle=\"%s\"", before, le);
		before = ',';
	}
	(void)fputs(before == '{' ? " " : "} ", prom->file);
}

/* Exact: a double would round a long uptime to microseconds. */
static const char *seconds(uint64_t ns, char text[SECONDS_BYTES])
{
	(void)snprintf(text, SECONDS_BYTES, "%" PRIu64 ".%09" PRIu64,
		       ns / NS_PER_S, ns % NS_PER_S);
	return text;
}

static void text_histogram(struct prom *prom, const struct prom_label *labels,
			   const struct timing *timing)
{
	char text[SECONDS_BYTES];
	uint64_t total = 0;

	for (unsigned i = 0; i < TIMING_BUCKETS; i++) {
		uint64_t bound = timing_bound_ns(i);

		total += timing->count[i];
		put_name(prom, "_bucket", labels,
			 bound == UINT64_MAX ? "+Inf" : seconds(bound, text));
		(void)fprintf(prom->file, "%" PRIu64 "\n", total);
	}
	put_name(prom, "_sum", labels, NULL);
	(void)fprintf(prom->file, "%s\n", seconds(timing->sum_ns, text));
	put_name(prom, "_count", labels, NULL);
	(void)fprintf(prom->file, "%" PRIu64 "\n", total);
}

/* ---- JSON ---- */

static void begin_sample(struct prom *prom, const struct prom_label *labels)
{
	json_object(&prom->json, NULL);
	json_object(&prom->json, "labels");
	for (; labels && labels->key; labels++)
		json_string(&prom->json, labels->key, labels->value);
	json_end(&prom->json);
}

static void json_histogram(struct prom *prom, const struct prom_label *labels,
			   const struct timing *timing)
{
	struct json *json = &prom->json;
	uint64_t total = 0;

	begin_sample(prom, labels);
	json_array(json, "buckets");
	for (unsigned i = 0; i < TIMING_BUCKETS - 1; i++) {
		total += timing->count[i];
		json_object(json, NULL);
		json_seconds(json, "le", timing_bound_ns(i));
		json_u64(json, "count", total);
		json_end(json);
	}
	json_end(json);
	json_seconds(json, "sum", timing->sum_ns);
	json_u64(json, "count", timing_total(timing));
	json_end(json);
}

/* ---- samples ---- */

void prom_u64(struct prom *prom, const struct prom_label *labels,
	      uint64_t value)
{
	if (prom->form == PROM_TEXT) {
		put_name(prom, "", labels, NULL);
		(void)fprintf(prom->file, "%" PRIu64 "\n", value);
		return;
	}
	begin_sample(prom, labels);
	json_u64(&prom->json, "value", value);
	json_end(&prom->json);
}

void prom_seconds(struct prom *prom, const struct prom_label *labels,
		  uint64_t ns)
{
	char text[SECONDS_BYTES];

	if (prom->form == PROM_TEXT) {
		put_name(prom, "", labels, NULL);
		(void)fprintf(prom->file, "%s\n", seconds(ns, text));
		return;
	}
	begin_sample(prom, labels);
	json_seconds(&prom->json, "value", ns);
	json_end(&prom->json);
}

void prom_histogram(struct prom *prom, const struct prom_label *labels,
		    const struct timing *timing)
{
	if (prom->form == PROM_TEXT)
		text_histogram(prom, labels, timing);
	else
		json_histogram(prom, labels, timing);
}

void prom_end(struct prom *prom)
{
	end_family(prom);
	if (prom->form == PROM_JSON) {
		json_end(&prom->json);
		json_end(&prom->json);
	}
}
