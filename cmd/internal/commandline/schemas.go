package commandline

import (
	"strings"

	"github.com/snapback/snapback/harness/explore"
	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/run"
	"github.com/snapback/snapback/storage/audit"
)

// These are the schemas of the documents that only the command line writes.
const (
	resultsSchema = "snapback/results/1"
	crashSchema   = "snapback/crash/1"
	sweepSchema   = "snapback/sweep/1"
	sealedSchema  = "snapback/sealed/1"
)

// schemas lists the schema of each document that the program writes. The file docs/flags.md repeats
// the list.
var schemas = []string{
	history.Schema, run.ResultSchema, resultsSchema, explore.CaseSchema, explore.JournalSchema, crashSchema, sweepSchema,
	audit.ListSchema, audit.InspectSchema, audit.VerifySchema, audit.DiffSchema, audit.CompatSchema, audit.DepsSchema,
	audit.CopySchema, audit.SealSchema, sealedSchema, audit.OrphansSchema, audit.PlanSchema, audit.DeletedSchema,
	audit.ExpireSchema, audit.ExpirePlanSchema, audit.ExpiredSchema,
}

// schemaName returns the name in a schema. In snapback/history/1 the name is history.
func schemaName(schema string) string { return strings.Split(schema, "/")[1] }
