#include "allocator/class_heat.h"
#include "allocator/core.h"
#include "allocator/heat_rate.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#define KNOWN_GRANULES 8
#define KNOWN_SAMPLES  16 // that would be usual for so many granules
#define DELAYS	       64     // the mean is over so many at most, the last ones counting most,
#define KNOWN_DELAYS   16     // and tells nothing before so many

uint8_t tm_class_place[TM_CODES + 1];

static struct {
	float sum, mean; // samples, in this look; of a granule, on average, in the last one
	uint32_t granules;
	bool known; // mean is
	float longer; // mean ln(delay), relative to others'
	uint32_t delays;
} classes[TM_CODES + 1];

unsigned tm_class_of(size_t g)
{
	unsigned code = tm_page_code(tm_address(g));

	return code >= TM_CODE_SLAB && code < TM_CODES ? code : TM_CODE_NONE;
}

void tm_class_add(size_t g, float samples)
{
	unsigned c = tm_class_of(g);

	classes[c].sum += samples;
	classes[c].granules++;
}

void tm_class_end(float usual)
{
	for (unsigned c = TM_CODE_SLAB; c < TM_CODES; c++) {
		float n = (float)classes[c].granules;
		classes[c].known = n >= KNOWN_GRANULES && n * usual >= KNOWN_SAMPLES; // few samples where many are usual tell a lot, too
		classes[c].mean = classes[c].known ? classes[c].sum / n : 0;
		classes[c].sum = 0;
		classes[c].granules = 0;
	}
}

float tm_class_heat(size_t g, float otherwise)
{
	unsigned c = tm_class_of(g);

	return classes[c].known ? classes[c].mean : otherwise;
}

void tm_class_judge(float level)
{
	for (unsigned c = TM_CODE_SLAB; c < TM_CODES; c++) {
		float mean = classes[c].mean;
		tm_class_place[c] = !classes[c].known		   ? TM_CLASS_ANY
				    : tm_heat_worth(level, mean) ? TM_CLASS_PMEM
				    : tm_heat_worth(mean, level) ? TM_CLASS_DRAM
								 : TM_CLASS_ANY;
	}
}

void tm_class_delay(size_t g, double longer)
{
	unsigned c = tm_class_of(g);

	if (c == TM_CODE_NONE)
		return;
	if (classes[c].delays < DELAYS)
		classes[c].delays++;
	classes[c].longer += ((float)longer - classes[c].longer) / (float)classes[c].delays;
	double beyond = M_LN2 + 1.5 * TM_DELAY_DEVIATION / sqrt(classes[c].delays); // a factor of two, and the error
	bool known = classes[c].delays >= KNOWN_DELAYS;
	tm_class_place[c] = known && (double)classes[c].longer > beyond	   ? TM_CLASS_PMEM
			    : known && (double)classes[c].longer < -beyond ? TM_CLASS_DRAM
									   : TM_CLASS_ANY;
}

void tm_class_reset(void)
{
	memset(classes, 0, sizeof(classes));
	memset(tm_class_place, 0, sizeof(tm_class_place));
}
