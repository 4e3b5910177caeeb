package evidence

import "fmt"

// These are the tags of Java's serialization.
const (
	javaMagic     = 0xaced0005 // magic number and version
	javaNull      = 0x70
	javaReference = 0x71
	javaClass     = 0x72
	javaObject    = 0x73
	javaString    = 0x74
	javaEnd       = 0x78 // end of the annotations of a class
	javaEnum      = 0x7e
)

const (
	javaFirstHandle = 0x7e0000
	javaObjectField = 'L'
)

// These are the flags of a Java class that this reader supports. A class with other flags writes
// its objects in a format of its own. The properties of a checkpoint contain no such class.
const (
	javaSerializable = 0x02
	javaEnumClass    = 0x12
)

// javaFieldBytes is the size of a field in bytes, by the code of the field's type.
var javaFieldBytes = map[byte]int{'Z': 1, 'B': 1, 'C': 2, 'S': 2, 'I': 4, 'F': 4, 'J': 8, 'D': 8}

// javaClassDescription says which fields the objects of a class have.
type javaClassDescription struct {
	fields []byte // the codes of the fields' types
	parent *javaClassDescription
}

// javaReader skips what Java's ObjectOutputStream wrote. The properties of a checkpoint name no
// files, but the reader must notice if a part of them is missing.
type javaReader struct {
	*decoder
	handles int32                           // number of handles so far; each object, class and string gets the next handle
	classes map[int32]*javaClassDescription // the classes by their handles
}

// properties skips the properties of a checkpoint, such as its type. They are a serialized Java
// object, which names no file.
func (d *decoder) properties() {
	d.constant("header of the properties", javaMagic)
	j := &javaReader{decoder: d, classes: map[int32]*javaClassDescription{}}
	j.value()
}

func (j *javaReader) newHandle() int32 {
	j.handles++
	return javaFirstHandle + j.handles - 1
}

// value reads an object, a string, a constant of an enum, or a reference to an earlier value.
func (j *javaReader) value() {
	j.deeper()
	defer j.shallower()
	switch j.code("object in the properties", javaNull, javaReference, javaObject, javaString, javaEnum) {
	case javaReference:
		j.reference()
	case javaString:
		j.newHandle()
		j.text("string in the properties")
	case javaEnum:
		j.class()
		j.newHandle()
		j.value() // the name of the constant
	case javaObject:
		class := j.class()
		j.newHandle()
		j.fields(class)
	}
}

func (j *javaReader) reference() int32 {
	return j.number("reference in the properties", javaFirstHandle, javaFirstHandle+j.handles-1)
}

// fields reads the values of an object. The fields of its parent class come first.
func (j *javaReader) fields(class *javaClassDescription) {
	if class == nil {
		return
	}
	j.fields(class.parent)
	for _, field := range class.fields {
		if size, primitive := javaFieldBytes[field]; primitive {
			j.skip(size, "field in the properties")
		} else {
			j.value()
		}
	}
}

// class reads the description of a class, or a reference to an earlier description. If the file
// holds null instead of a description, class returns nil.
func (j *javaReader) class() *javaClassDescription {
	j.deeper()
	defer j.shallower()
	switch at := j.offset; j.code("class in the properties", javaNull, javaReference, javaClass) {
	case javaReference:
		handle := j.reference()
		if j.classes[handle] == nil {
			j.fail(at, "class in the properties", "a reference to a class", fmt.Sprintf("one to handle 0x%x", handle))
		}
		return j.classes[handle]
	case javaClass:
		return j.newClass()
	}
	return nil
}

func (j *javaReader) newClass() *javaClassDescription {
	j.text("name of a class")
	j.skip(8, "version of a class")
	handle, class := j.newHandle(), &javaClassDescription{}
	j.code("flags of a class", javaSerializable, javaEnumClass)
	fields := j.next(2, "number of fields")
	if fields == nil {
		return nil
	}
	for n := int(fields[0])<<8 | int(fields[1]); n > 0 && j.err == nil; n-- {
		class.fields = append(class.fields, j.field())
	}
	j.code("end of a class", javaEnd)
	class.parent = j.class()
	if j.err != nil {
		return nil
	}
	j.classes[handle] = class // the class gets its handle only after its parent was read, so that no class can be its own parent
	return class
}

// field reads the description of a field, and returns the field's type.
func (j *javaReader) field() byte {
	kind := j.code("type of a field", 'Z', 'B', 'C', 'S', 'I', 'F', 'J', 'D', javaObjectField)
	j.text("name of a field")
	if kind == javaObjectField {
		j.value() // the name of the field's class
	}
	return kind
}
