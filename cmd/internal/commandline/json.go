package commandline

import (
	"bufio"
	"encoding/json"
	"io"
	"reflect"
	"strings"
)

// writeJSON writes a value as indented JSON. It encodes the elements of the document's lists one
// after the other. For example, a list of orphans may be so long that the JSON of the whole list
// would need too much memory.
func writeJSON(out io.Writer, value any) error {
	buffered := bufio.NewWriter(out)
	document := reflect.ValueOf(value)
	var err error
	if document.Kind() == reflect.Struct {
		err = writeObject(buffered, document)
	} else {
		err = writeValue(buffered, "", value)
	}
	if err != nil {
		return err
	}
	if err := buffered.WriteByte('\n'); err != nil {
		return err
	}
	return buffered.Flush()
}

func writeObject(out *bufio.Writer, document reflect.Value) error {
	separator := "{\n  "
	for i := range document.NumField() {
		name, options, _ := strings.Cut(document.Type().Field(i).Tag.Get("json"), ",")
		field := document.Field(i)
		if name == "" || name == "-" || (strings.Contains(options, "omit") && field.IsZero()) {
			continue
		}
		if _, err := out.WriteString(separator + `"` + name + `": `); err != nil {
			return err
		}
		separator = ",\n  "
		write := func() error { return writeValue(out, "  ", field.Interface()) }
		if field.Kind() == reflect.Slice && field.Len() > 0 {
			write = func() error { return writeList(out, field) }
		}
		if err := write(); err != nil {
			return err
		}
	}
	_, err := out.WriteString("\n}")
	return err
}

func writeList(out *bufio.Writer, list reflect.Value) error {
	separator := "[\n    "
	for i := range list.Len() {
		if _, err := out.WriteString(separator); err != nil {
			return err
		}
		separator = ",\n    "
		if err := writeValue(out, "    ", list.Index(i).Interface()); err != nil {
			return err
		}
	}
	_, err := out.WriteString("\n  ]")
	return err
}

func writeValue(out *bufio.Writer, indent string, value any) error {
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetIndent(indent, "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return err
	}
	_, err := out.WriteString(strings.TrimSuffix(text.String(), "\n"))
	return err
}
