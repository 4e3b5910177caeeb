package exploration_test

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/scenarios/exploration"
)

// Each field of a scenario takes several values in drawn scenarios, and each kind of fault is drawn,
// but for those that LeftOut names. LeftOut names no other.
func TestEachFieldOfAScenarioIsDrawnOrLeftOutForAReason(t *testing.T) {
	seen := values{}
	seen.walk(reflect.ValueOf(scenarios.Scenario{
		Steps: []scenarios.Step{{
			Submit: &scenarios.Submit{}, Await: &scenarios.Await{}, Savepoint: &scenarios.TakeSavepoint{}, Damage: &scenarios.Damage{}, Fault: &faults.Fault{},
		}},
	}))
	for _, fault := range faults.Catalogue() {
		seen.fault(fault.Action)
	}
	fields := slices.Sorted(maps.Keys(seen))
	for name := range seen {
		seen[name] = map[string]bool{}
	}
	blocks := exploration.NewBlocks()
	for seed := range uint64(3 * exploration.BlockSize) {
		s := blocks.Draw(seed)
		seen.walk(reflect.ValueOf(s))
		for _, step := range s.Steps {
			if step.Fault != nil {
				seen.fault(step.Fault.Action)
			}
		}
	}
	for _, name := range fields {
		drawn := len(seen[name]) > 1 || (strings.HasPrefix(name, "fault ") && len(seen[name]) > 0)
		switch reason := exploration.LeftOut[name]; {
		case !drawn && reason == "":
			t.Errorf("%s: never drawn, and not in LeftOut; it had the values %v", name, slices.Sorted(maps.Keys(seen[name])))
		case drawn && reason != "":
			t.Errorf("%s: LeftOut says %q, but it had the values %v", name, reason, slices.Sorted(maps.Keys(seen[name])))
		}
	}
	for name := range exploration.LeftOut {
		if !slices.Contains(fields, name) {
			t.Errorf("LeftOut names %s, which no scenario has", name)
		}
	}
}

// values holds the values of each field.
type values map[string]map[string]bool

const valuesMax = 5

func (v values) add(name string, value any) {
	if v[name] == nil {
		v[name] = map[string]bool{}
	}
	if len(v[name]) < valuesMax {
		v[name][fmt.Sprint(value)] = true
	}
}

func (v values) fault(action faults.Action) {
	v.add("fault "+reflect.TypeOf(action).Name(), "drawn")
}

// walk notes the values of all fields of a struct, and of the structs in it.
func (v values) walk(of reflect.Value) {
	for i := range of.NumField() {
		field := of.Field(i)
		name := of.Type().Name() + "." + of.Type().Field(i).Name
		switch field.Kind() {
		case reflect.Struct:
			v.walk(field)
		case reflect.Pointer:
			v.add(name, field.IsNil())
			if !field.IsNil() && field.Elem().Kind() == reflect.Struct {
				v.walk(field.Elem())
			}
		case reflect.Slice:
			if field.Type().Elem().Kind() != reflect.Struct {
				v.add(name, field.Interface())
				continue
			}
			v.add(name, field.Len())
			for n := range field.Len() {
				v.walk(field.Index(n))
			}
		default:
			if of.Type().Field(i).IsExported() {
				v.add(name, field.Interface())
			}
		}
	}
}
