package commandline

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/snapback/snapback/cmd/internal/doctor"
	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/harness"
	"github.com/snapback/snapback/harness/targets/flink"
	"github.com/snapback/snapback/harness/targets/reference"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/scenarios/workload"
)

// listed is one entry of a list: a scenario, a requirement, a fault, a workload or a target.
type listed struct {
	Name     string   `json:"name"`
	Text     string   `json:"text"`
	Features []string `json:"features,omitempty"`
	Checks   []string `json:"checks,omitempty"`
	Source   string   `json:"source,omitempty"`
}

var lists = map[string]func() ([]listed, error){
	"scenarios":    listScenarios,
	"requirements": listRequirements,
	"faults":       listFaults,
	"workloads": func() ([]listed, error) {
		var all []listed
		for _, name := range workload.Names() {
			all = append(all, listed{Name: name, Text: workload.Describe(name) + "; see docs/workloads.md"})
		}
		return all, nil
	},
	"targets": func() ([]listed, error) {
		return []listed{
			{Name: reference.Name, Text: "the reference engine that comes with Snapback; runtimes: simulated, processes"},
			{Name: flink.Name, Text: "Apache Flink " + flink.DefaultVersion + ", or the version of --flink-version or --flink-home; runtimes: processes, minicluster, containers, running"},
		}, nil
	},
}

func listCommand() *cobra.Command {
	var format string
	command := &cobra.Command{
		Use:       "list [flags] [scenarios|requirements|faults|workloads|targets]",
		Short:     "List the scenarios, requirements, faults, workloads or targets",
		Example:   "  snapback list\n  snapback list requirements\n  snapback list scenarios --format json",
		ValidArgs: []string{"scenarios", "requirements", "faults", "workloads", "targets"},
		RunE: func(command *cobra.Command, arguments []string) error {
			if len(arguments) == 0 {
				arguments = []string{"scenarios"}
			}
			list, ok := lists[arguments[0]]
			if !ok || len(arguments) > 1 {
				return harness.Usagef("list: want one of %s, got %s", strings.Join(command.ValidArgs, ", "), strings.Join(arguments, " "))
			}
			items, err := list()
			if err != nil {
				return err
			}
			return show(command, format, items, func(row func(...string)) {
				for _, item := range items {
					row(item.Name, item.Text)
				}
			})
		},
	}
	formatFlag(command, &format)
	return command
}

func listScenarios() ([]listed, error) {
	all, err := scenarios.Catalogue()
	var items []listed
	for _, s := range all {
		item := listed{Name: s.Name, Text: s.Title, Checks: s.Requirements}
		for _, feature := range s.Features {
			item.Features = append(item.Features, string(feature))
		}
		items = append(items, item)
	}
	return items, err
}

func listRequirements() ([]listed, error) {
	all, err := scenarios.Requirements()
	var items []listed
	for _, r := range all {
		items = append(items, listed{Name: r.ID, Text: r.Text, Source: r.Source})
	}
	return items, err
}

func listFaults() ([]listed, error) {
	var items []listed
	for _, fault := range faults.Catalogue() {
		items = append(items, listed{Name: fault.String(), Text: fault.Describe()})
	}
	return items, nil
}

func doctorCommand() *cobra.Command {
	var format string
	command := &cobra.Command{
		Use:     "doctor",
		Short:   "Check which tools this machine has, and say how to get the missing ones",
		Example: "  snapback doctor\n  snapback doctor --format json",
		Args:    noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			checks := append(doctor.Examine(command.Context()), fullCheck())
			return show(command, format, checks, func(row func(...string)) {
				for _, c := range checks {
					state := "ok"
					if !c.OK {
						state = "missing"
					}
					row(c.Name, state, c.Found)
					if !c.OK {
						row("", "", "needed for: "+c.For)
						row("", "", "how to get it: "+c.Remedy)
					}
				}
			})
		},
	}
	formatFlag(command, &format)
	return command
}

// version returns the version of the module that this program was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return info.Main.Version
}

func versionCommand() *cobra.Command {
	var format string
	command := &cobra.Command{
		Use:     "version",
		Short:   "Print the versions of the program, of Go, of Flink and of each document format",
		Example: "  snapback version\n  snapback version --format json",
		Args:    noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			type versioned struct {
				Name    string `json:"name"`
				Version string `json:"version"`
			}
			versions := []versioned{{"snapback", version()}, {"go", runtime.Version()}, {"flink", flink.DefaultVersion}}
			for _, schema := range schemas {
				versions = append(versions, versioned{schemaName(schema), schema})
			}
			return show(command, format, versions, func(row func(...string)) {
				for _, v := range versions {
					row(v.Name, v.Version)
				}
			})
		},
	}
	formatFlag(command, &format)
	return command
}

func formatFlag(command *cobra.Command, format *string) {
	command.Flags().StringVar(format, "format", "human", "human or json")
	registerCompletion(command, "format", "human", "json")
}

// show prints a value as JSON. If the format is human, it prints a table instead. The function rows
// adds the rows of the table: it calls its parameter row once for each row.
func show(command *cobra.Command, format string, value any, rows func(row func(...string))) error {
	out := command.OutOrStdout()
	switch format {
	case "human":
		table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		rows(func(cells ...string) {
			_, _ = fmt.Fprintln(table, strings.Join(cells, "\t")) // the call of Flush returns the error
		})
		return table.Flush()
	case "json":
		return writeJSON(out, value)
	default:
		return checkFormat(format)
	}
}

func checkFormat(format string) error {
	if format != "human" && format != "json" {
		return harness.Usagef("--format: want human or json, got %q", format)
	}
	return nil
}

func noArguments(command *cobra.Command, arguments []string) error {
	if len(arguments) > 0 {
		return harness.Usagef("%s: want no arguments, got %s", command.CommandPath(), strings.Join(arguments, " "))
	}
	return nil
}
