// "Bring your own model": a folder, an address, a device, a number of passes.

export function wireModel(widget) {
  const find = (id) => document.getElementById(id);
  const folder = find('folder');
  const use = (bundle, name) => {
    widget.bundle = bundle;
    find('model-name').textContent = `Model: ${name}.`;
    find('mini').hidden = bundle === 'mini';
    find('licence').hidden = true;
  };

  // A model's licence travels with its weights; it is known when they are loaded.
  widget.addEventListener('load', ({ detail }) => {
    const { licence } = detail.info.model;
    find('licence-text').textContent = licence;
    find('licence').hidden = licence === '';
  });

  find('folder-button').addEventListener('click', () => folder.click());
  folder.addEventListener('change', () => {
    const files = [...folder.files];
    folder.value = '';
    if (files.length > 0) use(files, files[0].webkitRelativePath.split('/')[0] || 'the chosen folder');
  });
  find('address-form').addEventListener('submit', (event) => {
    event.preventDefault();
    const address = find('address').value.trim();
    use(address, address);
  });
  find('mini').addEventListener('click', () => use('mini', 'mini, which comes with this page'));
  find('device').addEventListener('change', ({ target }) => {
    widget.device = target.value;
  });
  find('mode').addEventListener('change', ({ target }) => {
    widget.mode = target.value;
  });
}
